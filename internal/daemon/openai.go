package daemon

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/api/openai/files"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/upload"
)

// receivedName is the folder, in the data folder, of files that clients of OpenAI send, while they are received and decoded.
const receivedName = "received"

// openAI is what OpenAI's paths for files need.
func (d *daemon) openAI(models api.Models, effort speech.Effort) *files.Options {
	s := d.options.Settings
	dir := filepath.Join(d.dir, receivedName)
	_ = os.RemoveAll(dir) // of an earlier daemon that was killed; what cannot be removed is in nobody's way
	return &files.Options{
		Engines: d.engines, Names: d.names(models), Store: d.models, Remove: models.Remove, Refusal: d.strain.refusal, Effort: effort,
		Dir: dir, Budget: d.budget, MostBytes: int64(s.Limits.UploadBytes), MostAudio: time.Duration(s.Limits.AudioSeconds) * time.Second,
		Wait: time.Duration(s.Limits.SyncWaitSeconds) * time.Second, Whole: time.Duration(s.Limits.RequestSeconds) * time.Second,
		Keep: s.API.Keep, History: d.history, KeepAudio: d.keepAudio, Scope: d.options.Scope, Failures: d.options.Failures,
	}
}

// names gives names of models their meaning for clients of OpenAI.
func (d *daemon) names(models api.Models) *openai.Names {
	return &openai.Names{Aliases: d.options.Settings.Aliases(), List: models.List}
}

// keepAudio makes a recording of a file that a client of OpenAI sent.
func (d *daemon) keepAudio(ctx context.Context, client string, audio io.ReaderAt, size int64) (string, error) {
	return d.uploads.Keep(ctx, upload.Info{Length: size, Client: client, Source: string(store.SourceOpenAI)}, audio)
}
