// Package ct2 reads Whisper models in the format of CTranslate2, as faster-whisper uses it: a folder with model.bin,
// config.json and tokenizer.json or vocabulary.json or vocabulary.txt.
//
// Open verifies the whole folder before anything is made of it: the structure of model.bin, the shape and type of every
// variable, that all numbers are finite, and that configuration and vocabulary belong to these weights. What passes is a
// Whisper model of any size that Scout's graphs can be built from. Weights are read from the file when they are asked
// for, one variable at a time, so that a model never lies in memory as a whole.
//
// The format is described in docs/formats/ct2.md.
package ct2
