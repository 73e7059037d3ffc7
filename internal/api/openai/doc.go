// Package openai has what all paths of /v1 share: the names of models and languages as clients of OpenAI send them, the words that a
// request prefers, and the form of errors. Files and realtime are served by other packages.
package openai
