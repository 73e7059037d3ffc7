// Package segment cuts long audio into pieces that an engine decodes at once.
//
// It looks at energy only, there is no model in it, and it drops nothing: the cores of the pieces are
// the whole input (every frame in exactly one), however quiet. Cuts lie in the longest of the
// quietest pauses within a window of lengths; where even that falls into speech both neighbours hear
// across the cut, and package align joins their words. What else was measured: docs/adr/0007.
package segment
