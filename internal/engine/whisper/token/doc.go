// Package token reads the vocabulary of a Whisper model: what each token stands for, and which tokens a text has. It is
// pure apart from reading one file.
//
// The vocabulary is GPT-2's byte-level BPE (Radford et al. 2019, 2.2): a token is a row of bytes, not always of whole
// characters. Markers such as <|endoftext|> stand behind the text. Their numbers differ between English-only models,
// multilingual ones and large-v3, so they are found by their names.
package token
