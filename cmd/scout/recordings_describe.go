package main

import (
	"context"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/printable"
)

// describing is a command that shows or changes what people and programs said about a recording.
type describing struct {
	use, short, long, example string
	change                    func(r *v1.RecordingInfo, args []string) (v1.Describe, error)
	show                      func(a *app, r *v1.RecordingInfo) error
}

func (a *app) newDescribeCommand(d describing) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: d.use, Short: d.short, Long: d.long, Example: d.example,
		Args:              cli.NeedArgs("a recording"),
		ValidArgsFunction: a.completeDescribed(),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.describe(cmd.Context(), args, d.change)
			switch {
			case err != nil:
				return err
			case asJSON:
				return cli.WriteJSON(a.Std.Out, r)
			}
			return d.show(a, r)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newRecordingsTitleCommand(a *app) *cobra.Command {
	return a.newDescribeCommand(describing{
		use: "title ID [TITLE…]", short: "Show or set the title of a recording",
		long:    "Sets the title of a recording; an empty TITLE removes it. Without TITLE, it\nprints the title. Search finds titles, too.",
		example: "  scout recordings title 7f3a9c2e41d0 \"Monday's meeting\"",
		change: func(_ *v1.RecordingInfo, args []string) (v1.Describe, error) {
			if len(args) == 0 {
				return v1.Describe{}, nil
			}
			title := strings.Join(args, " ")
			return v1.Describe{Title: &title}, nil
		},
		show: func(a *app, r *v1.RecordingInfo) error { return a.Say("%s", printable.Line(r.Title)) },
	})
}

func newRecordingsTagCommand(a *app) *cobra.Command {
	return a.newDescribeCommand(describing{
		use: "tag ID [TAG…] [-- -TAG…]", short: "Show, add and remove tags of a recording",
		long:    "Adds tags to a recording, and removes each that is written as -TAG (after --).\nWithout tags, it prints those that the recording has, one on each line.",
		example: "  scout recordings tag 7f3a9c2e41d0 work \"project x\"\n  scout recordings tag 7f3a9c2e41d0 -- -work",
		change: func(r *v1.RecordingInfo, args []string) (v1.Describe, error) {
			tags := append([]string{}, r.Tags...)
			for _, arg := range args {
				removed, remove := strings.CutPrefix(arg, "-")
				if !remove {
					tags = append(tags, arg)
					continue
				}
				kept := tags[:0]
				for _, tag := range tags {
					if tag != removed {
						kept = append(kept, tag)
					}
				}
				if len(kept) == len(tags) {
					return v1.Describe{}, scout.Errorf(scout.CodeNotFound, "recording %s has no tag %q", r.ID, removed).WithHint("see its tags: scout recordings tag %s", r.ID)
				}
				tags = kept
			}
			if len(args) == 0 {
				return v1.Describe{}, nil
			}
			return v1.Describe{Tags: &tags}, nil
		},
		show: func(a *app, r *v1.RecordingInfo) error {
			for _, tag := range r.Tags {
				if err := a.Say("%s", printable.Line(tag)); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func newRecordingsLabelCommand(a *app) *cobra.Command {
	return a.newDescribeCommand(describing{
		use: "label ID [NAME=VALUE…]", short: "Show, set and remove labels of a recording",
		long:    "Sets labels of a recording, for programs that look for them. NAME= removes one.\nWithout labels, it prints those that the recording has, one on each line.",
		example: "  scout recordings label 7f3a9c2e41d0 room=4 customer=\"Ann & Sons\"\n  scout recordings label 7f3a9c2e41d0 room=",
		change: func(_ *v1.RecordingInfo, args []string) (v1.Describe, error) {
			change := v1.Describe{Labels: map[string]*string{}}
			for _, arg := range args {
				name, value, found := strings.Cut(arg, "=")
				if !found || name == "" {
					return change, cli.Misuse("for example room=4; room= removes it", "label %q: want NAME=VALUE", arg)
				}
				if change.Labels[name] = &value; value == "" {
					change.Labels[name] = nil
				}
			}
			return change, nil
		},
		show: func(a *app, r *v1.RecordingInfo) error {
			for _, name := range sortedNames(r.Labels) {
				if err := a.Say("%s=%s", printable.Line(name), printable.Line(r.Labels[name])); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// describe reads a recording, changes what is to be changed, and returns the result. If somebody else changes it at the
// same moment, it tries again.
func (a *app) describe(ctx context.Context, args []string, change func(*v1.RecordingInfo, []string) (v1.Describe, error)) (*v1.RecordingInfo, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	id, err := a.findDescribed(ctx, c, args[0])
	if err != nil {
		return nil, err
	}
	path := "/recordings/" + url.PathEscape(id)
	for {
		var r v1.RecordingInfo
		etag, err := c.GetTagged(ctx, path, &r)
		if err != nil {
			return nil, err
		}
		wanted, err := change(&r, args[1:])
		if err != nil || wanted.Title == nil && wanted.Tags == nil && len(wanted.Labels) == 0 {
			return &r, err
		}
		err = c.Change(ctx, path, etag, wanted, &r)
		if scout.CodeOf(err) != scout.CodePreconditionFailed {
			return &r, err
		}
	}
}

// findDescribed returns the id of the one recording whose id begins or ends with part. It looks in the folders, and then
// among texts that have no recording.
func (a *app) findDescribed(ctx context.Context, c *client.Client, part string) (string, error) {
	folders, err := a.folders()
	if err != nil {
		return "", err
	}
	place, err := a.findRecording(folders, []string{part})
	if scout.CodeOf(err) != scout.CodeRecordingNotFound {
		return string(place.ID), err
	}
	if text, textErr := a.findTranscript(ctx, c, part, false); textErr == nil {
		id, _, _ := strings.Cut(text, ".")
		return id, nil
	}
	return "", err
}
