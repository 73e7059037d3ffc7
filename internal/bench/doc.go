// Package bench measures transcription on a folder of speech with reference texts: word and character error rates with
// an interval, speed, and the memory of the whole process tree. The caller passes in what runs the speech through an
// engine.
package bench
