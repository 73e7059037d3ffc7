package recording

import (
	"time"

	"github.com/scout-speech/scout"
)

// SpaceLimits say when a disk is low, as the recording time that still fits.
type SpaceLimits struct {
	// Warn is when users are warned; default 1 h (the ladder of degradation uses the same).
	Warn time.Duration
	// Refuse is when no new recording begins; default 5 min. A running recording continues to the last byte.
	Refuse time.Duration
}

func (l SpaceLimits) withDefaults() SpaceLimits {
	if l.Warn <= 0 {
		l.Warn = time.Hour
	}
	if l.Refuse <= 0 {
		l.Refuse = 5 * time.Minute
	}
	return l
}

// Low reports whether the remaining time needs a warning.
func (l SpaceLimits) Low(left time.Duration) bool { return left < l.withDefaults().Warn }

// Left returns how much recording of that format fits into the space.
func (s Space) Left(format scout.Format) time.Duration {
	return format.Duration(s.FreeBytes / uint64(format.FrameBytes()))
}

// SpaceLeft returns the room where the folder is, and how much recording fits into it.
func (f *Folder) SpaceLeft(format scout.Format) (Space, time.Duration, error) {
	space, err := f.disk.Space(f.dir)
	if err != nil {
		return Space{}, 0, scout.FileError(scout.CodeReadFailed, "look for room on the device", err)
	}
	return space, space.Left(format), nil
}

// CheckSpace returns how much recording fits, and an error with scout.CodeDiskLow if that is too little to begin one.
func (f *Folder) CheckSpace(format scout.Format, limits SpaceLimits) (time.Duration, error) {
	_, left, err := f.SpaceLeft(format)
	if err != nil {
		return 0, err
	}
	if limits = limits.withDefaults(); left < limits.Refuse {
		return left, scout.Errorf(scout.CodeDiskLow, "room for %.1f minutes of recording in %s, at least %.1f are wanted",
			left.Minutes(), f.dir, limits.Refuse.Minutes())
	}
	return left, nil
}
