package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

const (
	// silentFor is how long a recorder may leave a stop unanswered before it is killed. One that waits for a disk still
	// answers.
	silentFor = 5 * time.Second
	// endsWithin is how long a process that was told to end may take to release its folder.
	endsWithin = 30 * time.Second
)

// Stop ends the current recording in the folder and returns its manifest, whatever became of its recorder. A recorder
// that hangs is killed, and one whose socket is gone is told to end. The next recorder, or this program if none can be
// started, repairs what it left. The manifest is set whenever a recording was found; an error beside it says what is
// wrong with it. If there is no current recording, the error has scout.CodeNotRecording and says what became of the
// last one.
//
// Stop waits for a starting recorder and stops the recording that it is about to begin.
func Stop(ctx context.Context, folder *recording.Folder, launch LaunchOptions) (recording.Manifest, error) {
	s := stopper{folder, launch, new(launcher)}
	why, _ := absent(folder.Dir())
	client, progress, err := s.running(ctx)
	for began := time.Now(); time.Since(began) < silentFor && ctx.Err() == nil; {
		if _, silent := silentPID(err); !silent {
			break
		}
		client, progress, err = s.running(ctx) // it waits for an answer
	}
	if err == nil {
		defer func() { _ = client.Close() }() // only the recording matters
		s.launch = launch.withEnvironment(progress.Order.Environment)
		return s.stop(ctx, client, progress.ID)
	}
	if scout.CodeOf(err) == scout.CodeNotRecording {
		if m, callErr := callOff(ctx, folder.Dir(), launch.Options, why == starting || why == returning); m.ID != "" || callErr != nil {
			return m, callErr
		}
	}
	if ctx.Err() != nil {
		return recording.Manifest{}, context.Cause(ctx)
	}
	return s.force(ctx, err)
}

// force ends a recording whose recorder cannot be asked; err says why.
func (s stopper) force(ctx context.Context, err error) (recording.Manifest, error) {
	id, found := unfinished(s.folder)
	why, pid := absent(s.folder.Dir())
	silent, isSilent := silentPID(err)
	switch {
	case !isSilent && why == starting:
		return recording.Manifest{}, err // any unfinished recording is about to be finished
	case !isSilent && why == halted: // it has recorded nothing yet
		if err := s.end(ctx, pid, syscall.SIGKILL); err != nil {
			return recording.Manifest{}, err
		}
		if !found {
			return recording.Manifest{}, scout.Errorf(scout.CodeNotRecording, "the recorder (process %d) was suspended before it recorded anything, and was killed", pid)
		}
	case !found:
		return recording.Manifest{}, afterwards(s.folder, err)
	case isSilent:
		return s.kill(ctx, silent, id)
	case why == deaf:
		if client, err := Dial(ctx, s.folder.Dir(), s.launch.Options); err == nil { // it has only just come back
			defer func() { _ = client.Close() }() // only the recording matters
			return s.stop(ctx, client, id)
		}
		if err := s.end(ctx, pid, syscall.SIGTERM); err != nil {
			return recording.Manifest{}, err
		}
	}
	return s.putRight(ctx, id)
}

// running is Running with more patience for a starting recorder.
func (s stopper) running(ctx context.Context) (*Client, *recording.Progress, error) {
	patience := map[absence]time.Duration{starting: startsWithin, returning: comesBackWithin, deaf: comesBackWithin}
	return runningWithin(ctx, s.folder.Dir(), s.launch.Options, patience)
}

// beginsWithin is how long to wait until a recorder that has just been started receives its order.
const beginsWithin = 2 * time.Second

// callOff stops a recording that is about to begin, or has begun at this moment. If one is expected, callOff waits for
// it. If there is none, both results are zero.
func callOff(ctx context.Context, dir string, options Options, expected bool) (recording.Manifest, error) {
	client, err := Dial(ctx, dir, options)
	if err != nil {
		return recording.Manifest{}, nil // there is no recorder, so nothing begins
	}
	defer func() { _ = client.Close() }() // only the recording matters
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; {
		m, err := client.Stop(ctx, "")
		if m.ID != "" {
			return m, err
		}
		if calledOff(err) {
			return m, scout.Errorf(scout.CodeNotRecording, "%w", err).WithHint("to begin again: scout record")
		}
		if !expected || time.Since(began) >= beginsWithin || scout.CodeOf(err) != scout.CodeNotRecording {
			return recording.Manifest{}, nil
		}
		select {
		case <-ctx.Done():
			return recording.Manifest{}, nil
		case <-ticker.C: // the recorder does not know its next request either
		}
	}
}

// calledOff reports whether err says that a start was cancelled.
func calledOff(err error) bool {
	return scout.CodeOf(err) == scout.CodeNotRecording && strings.Contains(err.Error(), wire.StartCancelled)
}

// unfinished returns the recording that is being made, or was being made when its recorder died.
func unfinished(folder *recording.Folder) (recording.ID, bool) {
	list, _, err := folder.List()
	if err != nil {
		return "", false
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].State == recording.StateRecording {
			return list[i].ID, true
		}
	}
	return "", false
}

// afterwards adds what became of the last recording to the error that nothing is being recorded.
func afterwards(folder *recording.Folder, err error) error {
	if scout.CodeOf(err) != scout.CodeNotRecording {
		return err
	}
	list, _, listErr := folder.List()
	if listErr != nil || len(list) == 0 {
		return err
	}
	last := list[0]
	for _, m := range list[1:] {
		if m.EndedAt.After(last.EndedAt) {
			last = m
		}
	}
	return scout.Errorf(scout.CodeNotRecording, "%w; the last recording, %s, ended at %s (%s) and is %s long", err, last.ID,
		last.EndedAt.Local().Format(time.TimeOnly), strings.ReplaceAll(string(last.EndReason), "_", " "), last.Duration().Round(10*time.Millisecond)).
		WithHint("it is here: %s", folder.AudioPath(last.ID))
}

// stopper ends a recording of a folder.
type stopper struct {
	folder *recording.Folder
	launch LaunchOptions
	starts *launcher
}

// stop asks the client's recorder, then any recorder that follows it.
func (s stopper) stop(ctx context.Context, client *Client, id recording.ID) (recording.Manifest, error) {
	m, err := s.ask(ctx, client, id)
	if scout.CodeOf(err) != scout.CodeRecorderUnreachable || m.ID != "" || ctx.Err() != nil {
		return m, err
	}
	return s.putRight(ctx, id)
}

// ask asks a recorder to stop, and kills it if it does not answer for silentFor.
func (s stopper) ask(ctx context.Context, client *Client, id recording.ID) (recording.Manifest, error) {
	type answer struct {
		manifest recording.Manifest
		err      error
	}
	answered := make(chan answer, 1)
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ended by cancel, at the latest
		m, err := client.Stop(asking, id)
		answered <- answer{m, err}
	}()
	alive := time.NewTicker(silentFor / 5)
	defer alive.Stop()
	heard := time.Now()
	for {
		select {
		case a := <-answered:
			return a.manifest, a.err
		case <-alive.C:
		}
		looking, stop := context.WithTimeout(ctx, silentFor/5)
		_, err := client.Status(looking)
		stop()
		if err == nil {
			heard = time.Now()
		}
		if time.Since(heard) < silentFor || ctx.Err() != nil {
			continue
		}
		return s.kill(ctx, client.PID(), id)
	}
}

// putRight finishes a recording whose recorder is gone, with another recorder or, if none can be started, in this
// program.
func (s stopper) putRight(ctx context.Context, id recording.ID) (recording.Manifest, error) {
	if m, err := s.folder.Manifest(id); err == nil && m.State == recording.StateFinished {
		return m, nil
	}
	client, _, err := s.starts.attach(ctx, s.folder.Dir(), s.launch)
	if err == nil {
		defer func() { _ = client.Close() }() // only the recording matters
		return s.ask(ctx, client, id)
	}
	if ctx.Err() != nil {
		return recording.Manifest{}, err
	}
	if _, lockErr := s.folder.Recover(); lockErr != nil {
		return recording.Manifest{}, errors.Join(err, lockErr)
	}
	m, manifestErr := s.folder.Manifest(id)
	return m, errors.Join(fmt.Errorf("the recorder ended unexpectedly and could not be replaced: %w", err), manifestErr)
}

// kill ends a recorder that does not answer, and with it the recording: frames that it had not written by then are
// lost.
func (s stopper) kill(ctx context.Context, pid int, id recording.ID) (recording.Manifest, error) {
	if holder, held := recording.Holder(s.folder.Dir()); held && holder.PID == pid { // else it ended by itself
		if err := s.end(ctx, pid, syscall.SIGKILL); err != nil {
			return recording.Manifest{}, err
		}
	}
	m, err := s.putRight(ctx, id)
	hung := scout.Errorf(scout.CodeRecorderUnreachable, "the recorder (process %d) did not answer for %s and was killed: its last audio is missing", pid, silentFor).
		WithHint("see recorder.log in the folder of recordings")
	return m, errors.Join(hung, err)
}

// end sends a signal to the process that holds the folder and waits until it has released it.
func (s stopper) end(ctx context.Context, pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return scout.Errorf(scout.CodeRecorderUnreachable, "end the recorder (process %d): %w", pid, err)
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(endsWithin)
	for {
		if holder, held := recording.Holder(s.folder.Dir()); !held || holder.PID != pid {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder (process %d) does not stop", pid).
				WithHint("it may be waiting for a disk or device that does not answer: see recorder.log in the folder of recordings")
		case <-ticker.C: // nothing announces the end of a process that is not a child
		}
	}
}
