package recording

import (
	"os"
	"time"

	"github.com/scout-speech/scout"
)

// Retention is how long recordings are kept. A recording that has not been transcribed is always kept. Only manifests
// of earlier versions record that, so newer recordings are never deleted.
type Retention struct {
	// MaxAge is counted from the end of the recording; 0 keeps recordings of any age.
	MaxAge time.Duration
	// MaxBytes bounds the audio of the folder; the oldest recordings are deleted first. 0 keeps any amount.
	MaxBytes int64
}

// Expired is a recording that retention deletes.
type Expired struct {
	ID     ID
	Bytes  int64
	Age    time.Duration
	Reason string // "age" or "size"
}

// RetentionReport is what Apply deleted, or would delete.
type RetentionReport struct {
	Expired []Expired
	// KeptBytes is the size of the audio that stays. It may exceed MaxBytes: see Untranscribed.
	KeptBytes int64
	// Untranscribed counts recordings that would have been deleted if their text were safe.
	Untranscribed int
	Problems      []Problem
}

// ApplyRetention deletes recordings according to the policy, oldest first; with dryRun it only lists them. Recordings
// that are not transcribed, that have not ended, or that are unclear in any way stay.
func (f *Folder) ApplyRetention(policy Retention, now time.Time, dryRun bool) (RetentionReport, error) {
	list, problems, err := f.List()
	if err != nil {
		return RetentionReport{}, err
	}
	report := RetentionReport{Problems: problems}
	sizes := make([]int64, len(list))
	for i := range list {
		info, err := os.Stat(f.AudioPath(list[i].ID))
		if err != nil {
			report.Problems = append(report.Problems, Problem{Path: f.AudioPath(list[i].ID), Err: scout.FileError(scout.CodeReadFailed, "look at recording", err)})
			continue
		}
		sizes[i] = info.Size()
		report.KeptBytes += info.Size()
	}
	for i := range list {
		m := &list[i]
		age := now.Sub(m.EndedAt)
		reason := policy.reason(age, report.KeptBytes)
		if reason == "" || m.State == StateRecording || sizes[i] == 0 {
			continue
		}
		if m.TranscribedAt.IsZero() {
			report.Untranscribed++
			continue
		}
		if !dryRun {
			if err := f.Delete(m.ID); err != nil {
				report.Problems = append(report.Problems, Problem{Path: f.AudioPath(m.ID), Err: err})
				continue
			}
		}
		report.KeptBytes -= sizes[i]
		report.Expired = append(report.Expired, Expired{ID: m.ID, Bytes: sizes[i], Age: age, Reason: reason})
	}
	return report, nil
}

// reason says why a recording of that age is deleted while the folder holds that many bytes; empty if it stays.
func (p Retention) reason(age time.Duration, bytes int64) string {
	switch {
	case p.MaxAge > 0 && age > p.MaxAge:
		return "age"
	case p.MaxBytes > 0 && bytes > p.MaxBytes:
		return "size"
	}
	return ""
}
