// Package segment cuts long audio into pieces that an engine decodes at once.
//
// It looks at energy only, there is no model in it, and it drops nothing: the cores of the pieces are
// the whole input (every frame in exactly one), however quiet. Cuts lie in the quietest 160 ms within
// a window of lengths; where even that falls into speech both neighbours hear across the cut, and
// package align joins their words. Fixed and other windows were measured: docs/adr/0005.
package segment
