package recording

import "time"

// changed records that the manifest on disk is out of date.
func (w *Writer) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changedLocked()
}

func (w *Writer) changedLocked() {
	w.version++
	if w.unsavedSince.IsZero() {
		w.unsavedSince = time.Now()
	}
	notify(w.dirty)
}

// notify puts a token into a channel of capacity 1.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// SaveManifest writes the manifest if it has changed since the last time. Saves run one after the other. Each writes
// the manifest at its turn, so an older one never replaces a newer.
func (w *Writer) SaveManifest() error {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	m, version := w.manifest, w.version
	m.Gaps = append(m.Gaps[:0:0], m.Gaps...)
	w.mu.Unlock()
	if version == w.saved.Load() {
		return nil
	}
	if err := w.home.Load().replaceManifest(&m); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saved.Store(version)
	if w.version == version {
		w.unsavedSince = time.Time{}
	}
	return nil
}

// unsavedFor returns how long the manifest on disk has been out of date.
func (w *Writer) unsavedFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsavedSince.IsZero() {
		return 0
	}
	return time.Since(w.unsavedSince)
}
