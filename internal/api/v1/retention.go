package v1

// Prune is the body of POST /recordings/prune.
type Prune struct {
	DryRun bool `json:"dry_run,omitempty" doc:"Remove nothing, list what is due"`
}

// Removed are numbers of things that were removed, or would be.
type Removed struct {
	// Audio are recordings that lose their audio and keep their text.
	Audio int `json:"audio"`
	// Recordings and Texts were in the trash.
	Recordings int `json:"recordings"`
	Texts      int `json:"texts"`
}

// Expired is a recording that is past its time.
type Expired struct {
	ID        string  `json:"id"`
	StartedAt Time    `json:"started_at" format:"date-time"`
	Seconds   float64 `json:"duration_seconds"`
	SizeBytes int64   `json:"size_bytes"`
}

// Pruned is the answer to POST /recordings/prune.
type Pruned struct {
	DryRun     bool    `json:"dry_run,omitempty"`
	Removed    Removed `json:"removed"`
	FreedBytes int64   `json:"freed_bytes"`
	// InUse are recordings that are past their time and were left because a program uses them.
	InUse int `json:"in_use,omitempty"`
	// Audio, Trash and Texts are what is due, with dry_run.
	Audio []Expired `json:"audio,omitempty"`
	Trash []Expired `json:"trash,omitempty"`
	Texts []string  `json:"texts,omitempty"`
}

// Retention says how many days things are kept; 0 is for ever.
type Retention struct {
	AudioDays int `json:"audio_days"`
	TrashDays int `json:"trash_days"`
}
