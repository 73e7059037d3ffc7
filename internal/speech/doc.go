// Package speech turns audio of any length into a transcript. A Decoder turns a piece of audio (segment) into words,
// and doubts them. A Joiner joins the words of neighbouring pieces (align) and hands out those that are settled. A
// Batch drives both over audio that is already there. The package holds only a few pieces of audio, whatever the length
// of the input.
package speech
