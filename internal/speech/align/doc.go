// Package align works on the words of neighbouring pieces of audio: it joins two word sequences whose
// audio overlaps, no word lost and none twice, and it recognises the repetition loops that decoders
// fall into. It is pure: words and times in, indices and words out.
package align
