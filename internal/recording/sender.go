package recording

import "github.com/scout-speech/scout"

// GapClientLost is sound that its sender could not send any more.
const GapClientLost scout.GapReason = "client_lost"

// Sender is whoever sends the sound of a recording while it is made, and what they say of it.
type Sender struct {
	Title string   `json:"title,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	// Client is under which the store has it; empty for the owner.
	Client string `json:"client,omitempty"`
}

// OpenBrowser opens a folder of sound that others send while it is made. No recorder works in it: the daemon writes the recordings.
func OpenBrowser(dir string) (*Folder, error) { return OpenBrowserOn(OSDisk{}, dir) }

// OpenBrowserOn is OpenBrowser with all writes of recordings going through disk.
func OpenBrowserOn(disk Disk, dir string) (*Folder, error) {
	f, err := OpenFolderOn(disk, dir)
	if err == nil {
		f.source = SourceBrowser
	}
	return f, err
}

// ResumeSent continues a recording whose writer acknowledged what the header states, and no more. What the file has behind that is cut off: it
// is still its sender's, and after a loss of power it may be damaged.
func (f *Folder) ResumeSent(id ID) (*Writer, error) {
	return f.resume(id, func(audio audioFile) uint64 { return min(audio.header.frames, audio.frames) })
}

// Rewind goes back to the frame behind the last synced one, for the time after a failed Sync: the kernel may have dropped what it could not
// write, and will not report it again. It is called by the goroutine that writes.
func (w *Writer) Rewind() {
	w.unsure = true // what comes in place of the frames has another sum
	w.rewind(0)
}

// InPlace returns nil while the file has its name: scout.CodeRecordingLost if somebody deleted, moved or replaced it. It is called by
// the goroutine that writes.
func (w *Writer) InPlace() error { return w.inPlace(w.file.Load()) }
