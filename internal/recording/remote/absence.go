package remote

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// absence is the reason why no recorder answers in a folder.
type absence int

const (
	// nobody: there is no recorder and none is expected.
	nobody absence = iota
	// starting: a recorder has the folder and repairs what is in it; its socket comes after that.
	starting
	// returning: there is a parent whose recorder died, or which has only just begun.
	returning
	// halted: as starting, but the process is suspended.
	halted
	// deaf: a recorder has the folder and served it, but its socket is gone. It makes another one within a second while it
	// records, or it is just ending.
	deaf
)

// absent returns why no recorder answers, and which process has the folder.
func absent(dir string) (absence, int) {
	holder, held := recording.Holder(dir)
	switch {
	case held && !holder.Lives(): // another program's lock, or a holder that has not recorded its name yet
		if recording.HasParent(dir) {
			return starting, 0
		}
		return nobody, 0
	case held && holder.Serving:
		return deaf, holder.PID
	case held && suspended(holder.PID):
		return halted, holder.PID
	case held:
		return starting, holder.PID
	case recording.HasParent(dir):
		return returning, 0
	}
	return nobody, 0
}

// suspended reports whether a process is stopped by a signal; false if the system does not say.
func suspended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := bytes.LastIndexByte(stat, ')') + 2 // the name of the program may contain anything
	return state < len(stat) && (stat[state] == 'T' || stat[state] == 't')
}

// processText names a process in a message, if it is known.
func processText(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// awaitRecorder connects to the recorder of the folder. It waits for one that is starting or coming back, as long as
// patience allows for each case.
func awaitRecorder(ctx context.Context, dir string, options Options, patience map[absence]time.Duration) (*Client, error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; {
		client, err := Dial(ctx, dir, options)
		if _, silent := silentPID(err); err == nil || silent || scout.CodeOf(err) != scout.CodeRecorderUnreachable {
			return client, err
		}
		why, _ := absent(dir)
		if time.Since(began) >= patience[why] {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-ticker.C: // nothing announces the socket of a process that is not a child
		}
	}
}

// unreachable returns the error for a recorder that cannot be reached, by the reason.
func unreachable(dir string, err error) error {
	if _, silent := silentPID(err); silent || scout.CodeOf(err) != scout.CodeRecorderUnreachable {
		return err
	}
	switch why, pid := absent(dir); why {
	case starting:
		return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder%s is still starting in %s", processText(pid), dir).
			WithHint("it repairs what is in the folder: try again in a moment; recorder.log there has the details")
	case halted:
		return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder (process %d) was suspended before it was ready", pid).
			WithHint("continue it (kill -CONT %d) or end it: scout record stop", pid)
	case returning:
		return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder of %s died and is being started again", dir).
			WithHint("try again in a moment; what was recorded is on disk, and recorder.log there has the details")
	case deaf:
		return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder%s cannot be reached: its socket is gone from %s", processText(pid), dir).
			WithHint("to stop it: scout record stop; what it recorded is on disk")
	}
	return scout.Errorf(scout.CodeNotRecording, "nothing is being recorded in %s", dir)
}
