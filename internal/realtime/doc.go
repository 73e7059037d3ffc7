// Package realtime makes text of speech that clients send while it is made, by OpenAI's realtime protocol: transcription sessions in the GA
// and the beta dialect.
//
// A Machine is the protocol without network, engine and disk: messages and news of the engine in, events out. A Session runs one: it keeps
// every frame in a file without a name (tape.go), has the items transcribed one after the other (work.go), and hands out events. Sessions
// are those of a daemon.
//
// Each item has a transcription of its own, so that each word belongs to exactly one item. There is no voice activity detector: every frame
// goes to the engine. Levels and words only decide where one item ends and the next begins (turns.go, docs/adr/0105-turns.md).
package realtime
