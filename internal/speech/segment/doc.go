// Package segment cuts long audio into pieces that an engine decodes at once.
//
// It uses only energy, without a model, and drops nothing: every frame of the input, however quiet, is in the core of
// exactly one piece. Cuts lie in the longest of the quietest pauses within a window of lengths. If even that pause lies
// in speech, both neighbours get audio from across the cut, and package align joins their words. Other methods that
// were measured: docs/adr/0007.
package segment
