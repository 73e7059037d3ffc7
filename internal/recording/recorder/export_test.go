package recorder

import "github.com/scout-speech/scout/internal/recording"

// Folder returns the folder of recordings.
func (r *Recorder) Folder() *recording.Folder { return r.folder }
