package recorder_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
)

func TestAResumedRecordingKeepsItsTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	id := killed(t, folder, "", time.Now().Add(-3*time.Second), 16000) // two seconds ago, after one second
	f := run(t, func(o *recorder.Options) { o.Dir = dir })
	if m, err := folder.Manifest(id); err != nil || m.State != recording.StateRecovered {
		t.Fatalf("not repaired: %+v, %v", m, err)
	}
	c := f.client(t)
	r := request()
	r.ID = id
	if _, err := c.Resume(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	f.until(t, "a second more", written(64000))
	m, err := c.Stop(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Gaps) != 1 || m.Gaps[0].Start != 16000 || m.Gaps[0].Reason != recording.GapRestart || m.Resumed != 1 || m.Frames < 64000 {
		t.Fatalf("manifest %+v", m)
	}
	if length := speech.Duration(m.Gaps[0].Frames); length < 2*time.Second || length > 4*time.Second {
		t.Errorf("gap of %s, want 2 s and the time of a start", length)
	}
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
	old := r
	old.ID = recording.NewID(time.Now())
	killed(t, folder, old.ID, time.Now().Add(-time.Hour), 0)
	if _, err := c.Resume(t.Context(), old); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("resume of an old recording: %v", err)
	}
}

// A recording that reaches its longest duration while its recorder is away has that length and ends normally.
func TestALengthThatIsReachedWhileNothingRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	id := killed(t, folder, "", time.Now().Add(-10*time.Second), 16000)
	f := run(t, func(o *recorder.Options) { o.Dir = dir })
	c := f.client(t)
	order := request()
	order.ID, order.Rules.MaxDuration = id, 3*time.Second
	if _, err := c.Resume(t.Context(), order); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("resume: %v", err)
	}
	m, err := folder.Manifest(order.ID)
	if err != nil || m.State != recording.StateFinished || m.EndReason != recording.EndMaxDuration || m.Duration() != 3*time.Second {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if len(m.Gaps) != 1 || m.Gaps[0] != (scout.Gap{Start: 16000, Frames: 32000, Reason: recording.GapRestart}) {
		t.Errorf("gaps %v", m.Gaps)
	}
	if _, err := folder.Verify(order.ID); err != nil {
		t.Error(err)
	}
}

// killed leaves what is left of a recording when its recorder is killed: it began at that time and has so many frames. An
// empty id means a new one.
func killed(t *testing.T, folder *recording.Folder, id recording.ID, began time.Time, frames int) recording.ID {
	t.Helper()
	w, err := folder.Create(recording.Settings{ID: id, Format: speech, StartedAt: began})
	check(t, err)
	if frames > 0 {
		_, err = w.Write(make([]byte, frames*speech.FrameBytes()))
		check(t, err)
	}
	check(t, w.Abandon())
	return w.ID()
}
