package v1

import "github.com/scout-speech/scout"

// LiveRequest is the body of POST /live/check.
type LiveRequest struct {
	Language string `json:"language,omitempty" doc:"What is spoken: a code such as en, or auto; as the settings say where it is left out"`
	Model    string `json:"model,omitempty"`
}

// LiveReady is the answer to a LiveRequest.
type LiveReady struct {
	Ready bool `json:"ready"`
}

// Toggled is the answer to POST /recorder/toggle.
type Toggled struct {
	State string `json:"state" enum:"starting,stopping"`
	ID    string `json:"id"`
}

// Inserted is the body of POST /live/{id}/inserted.
type Inserted struct {
	Method  string     `json:"method" enum:"paste,type,copy,none"`
	Proved  bool       `json:"proved" doc:"The window asked for the text"`
	Version int        `json:"version,omitempty" minimum:"0"`
	Kind    string     `json:"kind,omitempty" doc:"That of the version: first, second_pass"`
	Code    scout.Code `json:"code,omitempty" doc:"Why it was not pasted"`
}
