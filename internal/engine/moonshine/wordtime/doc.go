// Package wordtime finds where in a piece of audio each word was said, from what the decoder of Moonshine tiny
// attended to while it wrote the words. It is pure: numbers in, times out.
//
// Some heads of the cross-attention look at the sound of the token they are given. The weights of five of them,
// each frame compared over all tokens, say how well a token fits a frame. The best way through words and
// pauses is found by dynamic programming (Viterbi, IEEE Trans. Inf. Theory 13, 1967), where pauses are fed by
// the energy of the sound: attention alone puts the border of a word somewhere into the silence beside it.
// The recipe, its alternatives and what it reaches: docs/adr/0012-word-times.md.
package wordtime
