// Package align works on the words of neighbouring pieces of audio. It joins two word sequences whose audio overlaps,
// so that no word is lost or doubled, and it recognises the repetition loops of decoders. It is pure: words and times
// in, indices and words out.
package align
