// Package scout holds the nouns of Scout: audio formats, transcripts with their segments and
// words, and the error codes that every other package, the command line and the API share.
//
// It imports the standard library only, so that anything may import it.
package scout
