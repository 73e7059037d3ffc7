package v1

// TextOptions say how a text is made. What is left out is as the settings say.
type TextOptions struct {
	Model     string   `json:"model,omitempty" maxLength:"200" doc:"An installed model"`
	Language  string   `json:"language,omitempty" maxLength:"100" doc:"A code such as en, a tag such as en-US, a name such as English, or auto"`
	Languages []string `json:"languages,omitempty" maxItems:"100" doc:"Candidates after language: the first that the model knows is used"`
	Effort    string   `json:"effort,omitempty" enum:"quick,normal,thorough"`
	Keywords  []string `json:"keywords,omitempty" maxItems:"1000" doc:"Words that the model should prefer"`
	Prompt    string   `json:"prompt,omitempty" maxLength:"65536" doc:"Phrases of up to five words between commas, semicolons or line ends count as keywords"`
}

// Transcription is the text that was promised for a recording.
type Transcription struct {
	ID         string `json:"id" doc:"The recording"`
	State      string `json:"state" enum:"recording,queued,running,waiting,done,failed" doc:"recording: the recording goes on; waiting: it cannot be made now and is tried again, see error"`
	PromisedAt *Time  `json:"promised_at,omitempty" format:"date-time"`
	// Progress is nil unless the state is running.
	Progress      *Progress `json:"progress,omitempty"`
	Attempts      int       `json:"attempts,omitempty" doc:"Since the daemon started"`
	NextAttemptAt *Time     `json:"next_attempt_at,omitempty" format:"date-time"`
	Error         *Error    `json:"error,omitempty" doc:"Why it waits or failed"`
	Version       int       `json:"version,omitempty" doc:"The version of the transcript, if the state is done"`
	Revision      uint64    `json:"revision" doc:"Grows with each change"`
}

// Progress is how far a transcription is.
type Progress struct {
	Fraction     float64 `json:"fraction"`
	DoneSeconds  float64 `json:"done_seconds"`
	TotalSeconds float64 `json:"total_seconds"`
}

// Owed are the texts that are still to come, and those that could not be made.
type Owed struct {
	Count  int             `json:"count" doc:"Texts that are still to come"`
	Failed int             `json:"failed" doc:"Texts that could not be made"`
	Data   []Transcription `json:"data"`
}
