// Package speech turns audio of any length into a transcript: it cuts (segment), asks the engine
// for each piece, decodes again what went wrong, and joins (align). It holds no audio beyond a few
// pieces, whatever the length of the input.
package speech
