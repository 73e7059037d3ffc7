package v1

// What is stored, and what of it can be removed.
const (
	StoredRecordings  = "recordings"
	StoredUploads     = "uploads"
	StoredBrowser     = "browser"
	StoredImports     = "imports"
	StoredTrash       = "trash"
	StoredOutlines    = "outlines"
	StoredDatabase    = "database"
	StoredExports     = "exports"
	StoredWork        = "work"
	StoredModels      = "models"
	StoredLog         = "log"
	StoredSettings    = "settings"
	StoredCertificate = "certificate"
	StoredSessions    = "sessions"
	StoredOther       = "other"
)

// Storage is GET /storage.
type Storage struct {
	Data     []Stored   `json:"data" doc:"What there is, and where; what there is nothing of is left out"`
	Sessions int        `json:"sessions" doc:"Browsers that have a session"`
	Outgoing []Outgoing `json:"outgoing" doc:"Where something leaves this machine, or comes in, by the settings as they are"`
	Unknown  *Error     `json:"outgoing_unknown,omitempty" doc:"Why it is not known whether there are webhooks; absent where it is"`
}

// Stored is one kind of things that Scout keeps on the disk.
type Stored struct {
	Kind  string `json:"kind" enum:"recordings,uploads,browser,imports,trash,outlines,database,exports,work,models,log,settings,certificate,sessions,other"`
	Path  string `json:"path" doc:"The folder or the file; of several folders the first"`
	Bytes int64  `json:"bytes" doc:"The lengths of the files together"`
	Files int    `json:"files"`
}

// Ways out of the machine, and in.
const (
	OutgoingWebhook  = "webhook"
	OutgoingTrace    = "trace"
	OutgoingListener = "listener"
)

// Outgoing is a way in which something leaves this machine, or is asked for by others.
type Outgoing struct {
	Kind    string `json:"kind" enum:"webhook,trace,listener" doc:"listener: other machines can ask at that address, with a key"`
	Address string `json:"address" doc:"The URL, or the address that is listened at"`
	ID      string `json:"id,omitempty" doc:"Of the webhook"`
	Text    bool   `json:"text,omitempty" doc:"Whether the words themselves are sent"`
	Local   bool   `json:"local,omitempty" doc:"Whether the address is one of this machine"`
}

// StorageRemove is the body of POST /storage/remove.
type StorageRemove struct {
	Kind string `json:"kind" enum:"recordings,trash,outlines,exports,log" doc:"recordings: everything that was said, all audio and all texts, also in the trash, with what other files have of it; trash: what lies there; outlines: the drawings of waveforms; exports: files that are kept for a download; log: the log files of before"`
}

// StorageRemoved is what was removed.
type StorageRemoved struct {
	Kind       string `json:"kind"`
	Removed    int    `json:"removed" doc:"How many recordings, or files"`
	Texts      int    `json:"texts,omitempty" doc:"Of the trash: texts whose recordings are not in it"`
	FreedBytes int64  `json:"freed_bytes" doc:"By how much less of that kind there is"`
	InUse      int    `json:"in_use,omitempty" doc:"Recordings that were left, because they are being made, or a program has them open"`
}
