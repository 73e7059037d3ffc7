package v1

// States of a model.
const (
	ModelAvailable = "available"
	ModelPulling   = "pulling"
	ModelInstalled = "installed"
	ModelCorrupt   = "corrupt"
)

// Model is a model that can be installed, or is. What is not known is absent.
type Model struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Family    string   `json:"family,omitempty"`
	Backend   string   `json:"backend" doc:"What runs it"`
	Languages []string `json:"languages" doc:"Codes of the languages that it knows; empty where nobody says"`
	Licence   string   `json:"licence"`
	SizeBytes int64    `json:"size_bytes"`
	SizeExact bool     `json:"size_exact" doc:"Whether the size is that of its files, and not the one that its publisher gives"`
	State     string   `json:"state" enum:"available,pulling,installed,corrupt" doc:"available can be installed, pulling is being installed or repaired by a job that has not ended, corrupt is installed and cannot be used"`
	JobID     string   `json:"job_id,omitempty" doc:"The job that installs it, while it has not ended; the owner alone is told"`
	Default   bool     `json:"default" doc:"Whether it is used where none was chosen"`
	Roles     []string `json:"roles" enum:"fast,accurate" doc:"What it is used for: fast while somebody speaks, accurate for files"`
	Tested    bool     `json:"tested"`
	Own       bool     `json:"own" doc:"Whether it is a model of the user's own"`
	Loaded    bool     `json:"loaded"`
	// Memory is that of its engine, while one runs.
	Memory     uint64         `json:"memory_bytes,omitempty" doc:"Memory of its engine, while one runs"`
	LastUsedAt *Time          `json:"last_used_at,omitempty" format:"date-time" doc:"When a request to it last succeeded, since the start of the daemon"`
	Measured   *ModelMeasured `json:"measured,omitempty" doc:"What was measured with these very files"`
	Problem    string         `json:"problem,omitempty" doc:"Why one that is corrupt cannot be used; the owner alone is told"`
}

// ModelMeasured is what was measured of a model.
type ModelMeasured struct {
	Speed float64 `json:"speed" doc:"Seconds of audio that become text in a second of one processor"`
	WER   float64 `json:"wer" doc:"The share of words that are wrong, from 0"`
	// Memory is the peak of its engine.
	Memory int64 `json:"memory_bytes" doc:"The peak of the memory of its engine"`
}

// Models is GET /models.
type Models struct {
	Data []Model `json:"data"`
}

// PullModel is the body of POST /models/{id}/pull.
type PullModel struct {
	From string `json:"from,omitempty" maxLength:"4096" doc:"Where the files are, if not at the sources of the catalogue: the whole path, on the machine of the daemon, of a folder, archive or package, or the http or https address of a mirror"`
}

// UseModel is the body of POST /models/{id}/use.
type UseModel struct {
	Role string `json:"role" enum:"fast,accurate" doc:"fast while somebody speaks, accurate for files"`
}
