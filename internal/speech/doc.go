// Package speech turns audio of any length into a transcript. A Decoder turns a piece of audio (segment) into words, and
// doubts them; a Joiner puts the words of neighbouring pieces together (align) and hands out what is settled; a Batch
// drives both over audio that is there already. It holds no audio beyond a few pieces, whatever the length of the input.
package speech
