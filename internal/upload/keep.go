package upload

import (
	"context"
	"io"

	"github.com/scout-speech/scout"
)

// Keep makes a recording of a file that came another way, and returns its id. Info is as for Create; its Length says how much of audio is the
// file. Where it fails nothing stays.
func (u *Uploads) Keep(ctx context.Context, info Info, audio io.ReaderAt) (recording string, err error) {
	begun, _, err := u.Create(info)
	if err != nil {
		return "", err
	}
	w, err := u.Claim(ctx, begun.ID, nil)
	if err != nil {
		return "", err
	}
	defer w.Close()
	if err := w.Append(io.NewSectionReader(audio, 0, info.Length)); err != nil {
		_ = w.Remove() // it expires
		return "", err
	}
	done, err := w.Finish(ctx)
	if err != nil {
		return "", err
	}
	if done.Recording == "" {
		return "", scout.Errorf(scout.CodeInternal, "an upload that is complete became no recording")
	}
	return done.Recording, nil
}
