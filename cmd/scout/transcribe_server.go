package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/transcribe"
)

// notThere are the flags of scout transcribe that another machine cannot be asked for, and what helps.
func notThere() []struct{ flag, hint string } {
	return []struct{ flag, hint string }{
		{"fast", "name the model: --model moonshine-tiny-en"},
		{"threads", "that machine has its own setting: transcribe.threads"},
		{"track", "take the track out of the file first"},
		{"channel", "take the channel out of the file first"},
		{"split-channels", "run it on that machine: scout transcribe --split-channels FILE"},
		{"raw-format", "send a file with a header, such as WAV"},
		{"cut", "it is for comparisons on this machine"},
		{"backend", "it is for comparisons on this machine"},
		{"profile", "it is for comparisons on this machine"},
	}
}

// askedThere are the fields that another machine is told with each file. A setting of this machine does not count there.
func (o *transcribeOptions) askedThere(cmd *cobra.Command, hotWords []string) (map[string]string, error) {
	flags := cmd.Flags()
	for _, not := range notThere() {
		if flags.Changed(not.flag) {
			return nil, cli.Misuse(not.hint, "--%s does not go with --server", not.flag)
		}
	}
	fields := make(map[string]string)
	if flags.Changed("model") {
		fields["model"] = o.Model
	}
	if flags.Changed("effort") {
		fields["effort"] = o.Effort
	}
	if o.language != "" {
		fields["language"] = o.language
	}
	if o.translate {
		fields["task"] = store.TaskTranslate
	}
	if len(hotWords) > 0 {
		words, err := json.Marshal(hotWords)
		if err != nil {
			return nil, fmt.Errorf("encode hot words: %w", err)
		}
		fields["keywords"] = string(words)
	}
	return fields, nil
}

// transcribeThere has the texts made by the Scout at --server.
func (a *app) transcribeThere(ctx context.Context, o *transcribeOptions, fields map[string]string, inputs []transcribe.Input, sink transcribe.Sink) error {
	c, err := a.reachServer(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	console := cli.NewConsole(a.Std.Err, o.quiet)
	show := &transcription{app: a, inputs: inputs, summary: o.summary, bar: newProgress(console, len(inputs)), wait: newWait(ctx, console, nil, true)}
	defer show.close()
	there := &there{app: a, client: c, options: o, fields: fields, inputs: inputs}
	return show.outcome(transcribe.There(ctx, inputs, there.make, sink, transcribe.Watch{Ended: show.ended}))
}

// there has texts made by another machine.
type there struct {
	app     *app
	client  *client.Client
	options *transcribeOptions
	fields  map[string]string // of each file
	inputs  []transcribe.Input
}

// make has the text of one file made, and shows meanwhile how far it is.
func (t *there) make(ctx context.Context, i int, content io.ReaderAt, size int64, name string) (scout.Transcript, error) {
	a, o, shown, fields := t.app, t.options, t.inputs[i].Name(), maps.Clone(t.fields)
	if name != "" {
		fields["filename"] = name
	}
	console := cli.NewConsole(a.Std.Err, o.quiet)
	if !console.Live { // as while this machine makes a text
		console = cli.NewConsole(a.Std.Err, true)
	}
	sending := &sendProgress{show: newPullProgress(console), name: filepath.Base(shown), size: size, began: time.Now(), first: -1}
	sent := sync.OnceFunc(sending.end)
	defer console.Clear()
	defer sent()
	told := ""
	text, id, err := t.client.Transcribe(ctx, client.Asked{
		Upload: client.Upload{
			File: content, Size: size, Fields: fields, Progress: sending.update,
			Waiting: func(err error, pause time.Duration) {
				if why := scout.Plain(err); why != told && !o.quiet {
					told = why
					console.Clear()
					a.Notef("%s: %s: waiting: %s\n", a.Name, printable.Line(shown), printable.Line(why))
				}
			},
		},
		Changed: func(j *v1.Job) {
			sent()
			console.Draw(printable.Line(filepath.Base(shown)) + "  " + jobLine(j))
		},
		Keep: o.keep,
	})
	if err == nil && o.keep {
		console.Clear()
		a.Notef("%s: %s: kept there as %s\n", a.Name, printable.Line(shown), printable.Line(id))
	}
	return text, err
}
