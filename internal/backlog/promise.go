package backlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
)

// Order says how a text is to be made. The zero value means the settings' defaults.
type Order struct {
	// Model is an id; empty for the default model of the time at which the text is made.
	Model string `json:"model,omitempty"`
	// Language is as a person writes it; empty for the model's own.
	Language string `json:"language,omitempty"`
	// Effort is one of speech.Efforts.
	Effort   string   `json:"effort,omitempty"`
	HotWords []string `json:"hot_words,omitempty"`
	// Client is whoever asked for it; empty for the owner.
	Client string `json:"client,omitempty"`
}

// promise is the content of a file in the folder of promises, docs/formats/backlog.md.
type promise struct {
	Version    int          `json:"version"`
	Recording  recording.ID `json:"recording"`
	PromisedAt time.Time    `json:"promised_at"`
	// After is the newest version that the text had then, 0 for none; nil where that is not known. The clock may be set between the
	// promise and the text.
	After *int `json:"after,omitempty"`
	// Traceparent is the W3C Trace Context of the request that asked for the text.
	Traceparent string `json:"traceparent,omitempty"`
	Order
	// Failure is why the text cannot be made; nil while it is owed.
	Failure *failure `json:"failure,omitempty"`
}

// failure is an error in a file.
type failure struct {
	Code    scout.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

func (f *failure) err() error { return scout.Errorf(f.Code, "%s", f.Message).WithHint("%s", f.Hint) }

func failureOf(err error) *failure {
	return &failure{Code: scout.CodeOf(err), Message: scout.Plain(err), Hint: scout.HintOf(err)}
}

// promiseVersion is the version of the format.
const promiseVersion = 1

const promiseSuffix = ".json"

func newPromise(ctx context.Context, id recording.ID, order Order) promise {
	return promise{Version: promiseVersion, Recording: id, PromisedAt: time.Now().UTC(), Traceparent: observe.Traceparent(ctx), Order: order}
}

// once names the work for the store: the same promise never makes two versions.
func (p *promise) once() string { return "backlog " + p.PromisedAt.UTC().Format(time.RFC3339Nano) }

func (b *Backlog) path(id recording.ID) string {
	return filepath.Join(b.options.Dir, string(id)+promiseSuffix)
}

// write makes a promise durable.
func (b *Backlog) write(p *promise) error {
	if err := os.MkdirAll(b.options.Dir, 0o700); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make the folder of promised texts", err)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write promise of a text: %w", err)
	}
	return atomicfile.Write(b.path(p.Recording), data, atomicfile.Options{})
}

// remove takes a promise from the disk.
func (b *Backlog) remove(id recording.ID) error {
	if err := os.Remove(b.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return scout.FileError(scout.CodeWriteFailed, "remove promise of a text", err)
	}
	return nil
}

// maxPromiseBytes bounds what is read of a file.
const maxPromiseBytes = 1 << 20

// read returns the promises on the disk.
func (b *Backlog) read() ([]promise, error) {
	entries, err := os.ReadDir(b.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read the folder of promised texts", err)
	}
	var found []promise
	for _, e := range entries {
		name, ours := strings.CutSuffix(e.Name(), promiseSuffix)
		if !ours || !e.Type().IsRegular() {
			continue
		}
		p, err := readPromise(filepath.Join(b.options.Dir, e.Name()))
		if err == nil && (string(p.Recording) != name || !p.Recording.Valid()) {
			err = scout.Errorf(scout.CodeReadFailed, "it names the recording %q", p.Recording)
		}
		if err != nil {
			b.log.Warn(eventNotRead, slog.String("file", e.Name()), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
			continue
		}
		found = append(found, p)
	}
	return found, nil
}

func readPromise(path string) (p promise, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return p, err
	}
	if info.Size() > maxPromiseBytes {
		return p, scout.Errorf(scout.CodeReadFailed, "it has %d bytes", info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, scout.Errorf(scout.CodeReadFailed, "it is damaged: %w", err)
	}
	if p.Version != promiseVersion {
		return p, scout.Errorf(scout.CodeReadFailed, "it has version %d; this program knows version %d", p.Version, promiseVersion)
	}
	return p, nil
}

// Acceptable returns what is wrong with an order: scout.CodeInvalidArgument for an unknown effort or language,
// scout.CodeModelLanguage if the model is there and does not know the language. A model that is not there is no reason
// to refuse anything: the text comes when it is.
func (b *Backlog) Acceptable(ctx context.Context, o Order) error {
	if o.Effort != "" {
		if _, err := speech.ParseEffort(o.Effort); err != nil {
			return scout.Errorf(scout.CodeInvalidArgument, "%w", err)
		}
	}
	if _, err := recognize.ParseLanguage(o.Language); err != nil {
		return err
	}
	if o.Language == "" {
		return nil
	}
	r, release, err := b.options.Engines.BorrowFor(ctx, o.Model, recognize.Accurate, o.Language)
	if err != nil {
		return nil // see above
	}
	defer release()
	_, err = r.Language(o.Language)
	return err
}
