package main

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/text"
)

// mostOffered is how many ids a shell is offered.
const mostOffered = 100

// anyNumber is for commands that take as many ids as are given.
const anyNumber = 1 << 30

// offering makes a completion for the first arguments of a command, from what list returns. A failure offers nothing: a
// shell has no place to show it.
//
//	most  how many arguments are completed
//	list  gets what was typed of the argument; it may return more than what begins so
func (a *app) offering(most int, list func(cmd *cobra.Command, typed string) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) >= most || a.LoadSettings(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := list(cmd, typed)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all = slices.DeleteFunc(all, func(c cobra.Completion) bool {
			name, _, _ := strings.Cut(c, "\t") // a description follows
			return slices.Contains(given, name)
		})
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// completeRecordings offers the ids of the recordings, the newest first.
func (a *app) completeRecordings(most int) cobra.CompletionFunc {
	return a.offering(most, func(_ *cobra.Command, typed string) ([]cobra.Completion, error) { return a.offerRecordings(typed) })
}

func (a *app) offerRecordings(typed string) ([]cobra.Completion, error) {
	folders, err := a.folders()
	if err != nil {
		return nil, err
	}
	all, _, err := folders.List()
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(e recording.Entry) bool { return !strings.HasPrefix(string(e.ID), typed) })
	var ids []cobra.Completion
	for i := range all[:min(len(all), mostOffered)] {
		description := lengthText(&all[i].Manifest)
		if title := all[i].Title(); title != "" {
			description += ", " + shownName(title)
		}
		ids = append(ids, cobra.CompletionWithDesc(string(all[i].ID), description))
	}
	return ids, err
}

// completeDescribed offers the ids of what can have a title, tags and labels: recordings, and texts of files.
func (a *app) completeDescribed() cobra.CompletionFunc {
	return a.offering(1, func(cmd *cobra.Command, typed string) ([]cobra.Completion, error) {
		recordings, err := a.offerRecordings(typed)
		texts, textsErr := a.offerTranscripts(cmd, typed, false)
		if err != nil && textsErr != nil {
			return nil, errors.Join(err, textsErr)
		}
		id := func(c cobra.Completion) string { name, _, _ := strings.Cut(c, "\t"); return name }
		known := make(map[string]bool, len(recordings))
		for _, c := range recordings {
			known[id(c)] = true
		}
		texts = slices.DeleteFunc(texts, func(c cobra.Completion) bool { return known[id(c)] })
		return append(recordings, texts...), nil
	})
}

// completeTrashed offers the ids of the recordings in the trash, the newest first.
func (a *app) completeTrashed() cobra.CompletionFunc {
	return a.offering(anyNumber, func(_ *cobra.Command, typed string) ([]cobra.Completion, error) {
		folders, err := a.folders()
		if err != nil {
			return nil, err
		}
		all, err := folders.Trashed()
		slices.Reverse(all)
		all = slices.DeleteFunc(all, func(id recording.ID) bool { return !strings.HasPrefix(string(id), typed) })
		return completions(all[:min(len(all), mostOffered)]), err
	})
}

func completions(ids []recording.ID) []cobra.Completion {
	var all []cobra.Completion
	for _, id := range ids {
		all = append(all, string(id))
	}
	return all
}

// completeTranscripts offers the ids of the newest texts, with the beginning of each.
//
//	deleted  offer the texts in the trash
func (a *app) completeTranscripts(most int, deleted bool) cobra.CompletionFunc {
	return a.offering(most, func(cmd *cobra.Command, typed string) ([]cobra.Completion, error) {
		return a.offerTranscripts(cmd, typed, deleted)
	})
}

func (a *app) offerTranscripts(cmd *cobra.Command, typed string, deleted bool) ([]cobra.Completion, error) {
	c, err := a.connect(cmd.Context())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	query := url.Values{"text": {"false"}}
	if deleted {
		query.Set("deleted", "true")
	}
	if typed != "" { // texts that are older than those offered otherwise
		query.Set("id", typed)
	}
	all, err := list[v1.TranscriptSummary](cmd.Context(), c, "/transcripts", query, mostOffered)
	var ids []cobra.Completion
	for i := range all {
		ids = append(ids, cobra.CompletionWithDesc(all[i].ID, shortened(all[i].Preview, previewRunes)))
	}
	return ids, err
}

// completeModels offers the models of the catalogue, or only those that are installed.
func (a *app) completeModels(most int, installed bool) cobra.CompletionFunc {
	return a.offering(most, func(*cobra.Command, string) ([]cobra.Completion, error) {
		store, err := a.OpenModels()
		if err != nil {
			return nil, err
		}
		known, err := store.List()
		var ids []cobra.Completion
		for _, m := range known {
			if m.Installed || !installed {
				ids = append(ids, cobra.CompletionWithDesc(m.ID, languagesText(m.Languages)))
			}
		}
		return ids, err
	})
}

// completeSettings offers the names of the settings.
func (a *app) completeSettings() cobra.CompletionFunc {
	return a.offering(anyNumber, func(*cobra.Command, string) ([]cobra.Completion, error) {
		var names []cobra.Completion
		for _, v := range a.Settings.Values() {
			names = append(names, cobra.CompletionWithDesc(v.Name, v.About))
		}
		return names, nil
	})
}

// completeDevices offers the ids of the devices to record from.
func (a *app) completeDevices() cobra.CompletionFunc {
	return a.offering(anyNumber, func(cmd *cobra.Command, _ string) ([]cobra.Completion, error) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
		defer cancel()
		backend, err := miniaudio.Open(ctx, sound.Options{})
		if err != nil {
			return nil, err
		}
		devices, err := listDevices(ctx, backend)
		var ids []cobra.Completion
		for i := range devices {
			ids = append(ids, cobra.CompletionWithDesc(printable.Line(devices[i].ID), shownName(devices[i].Name)))
		}
		return ids, err
	})
}

// completeWithin bounds how long a shell waits for the sound system.
const completeWithin = time.Second

// completeFlags lets a shell complete the flags of all commands below cmd that take an id or one of a few words.
func (a *app) completeFlags(cmd *cobra.Command) {
	if !strings.Contains(cmd.Use, " ") && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions // it takes no arguments
	}
	formats := make([]string, 0, len(text.Formats()))
	for _, f := range text.Formats() {
		formats = append(formats, string(f))
	}
	words := func(of ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(of, cobra.ShellCompDirectiveNoFileComp)
	}
	known := map[string]cobra.CompletionFunc{
		"format":     words(formats...),
		"channel":    words("mix", "left", "right"),
		"on-loss":    words(string(capture.LossAuto), string(capture.LossFollow), string(capture.LossDefault)),
		"effort":     words(speech.EffortQuick.String(), speech.EffortNormal.String(), speech.EffortThorough.String()),
		"log-level":  words("debug", "info", "warn", "error"),
		"log-format": words("text", "json"),
		"model":      a.completeModels(anyNumber, true),
		"device":     a.completeDevices(),
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { a.completeFlag(cmd, f.Name, known) })
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { a.completeFlag(cmd, f.Name, known) })
	for _, c := range cmd.Commands() {
		a.completeFlags(c)
	}
}

func (a *app) completeFlag(cmd *cobra.Command, flag string, known map[string]cobra.CompletionFunc) {
	complete, ok := known[flag]
	if _, done := cmd.GetFlagCompletionFunc(flag); done || !ok {
		return
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, complete) // it fails for flags that do not exist, or are complete
}
