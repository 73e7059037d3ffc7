package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/rig"
)

// fasterWhisper is the only peer.
const fasterWhisper = "faster-whisper"

// peerOptions say which other program transcribes the same clips.
type peerOptions struct {
	name   string
	python string
	model  string
	beam   int
}

func (o *peerOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.name, "peer", "", "another program for the same clips: faster-whisper (scripts/peer.sh installs it)")
	flags.StringVar(&o.python, "peer-python", filepath.Join(".tools", "peer", "bin", "python"), "the Python that has it")
	flags.StringVar(&o.model, "peer-model", "", "its model, a `folder` with model.bin (default: that of the measured model)")
	flags.IntVar(&o.beam, "peer-beam", 5, "the size of its beam; 1 for greedy")
}

// start starts the peer; nil if none is asked for.
func (o *peerOptions) start(ctx context.Context, reader rig.Reader, r *cli.Recognizer) (*rig.Peer, error) {
	switch {
	case o.name == "":
		return nil, nil //nolint:nilnil // none is asked for
	case o.name != fasterWhisper:
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "unknown peer %q: want %s", o.name, fasterWhisper))
	case o.beam < 1:
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--peer-beam %d: want 1 or more", o.beam))
	}
	if o.model == "" {
		o.model = r.Model.Dir
	}
	if _, err := os.Stat(filepath.Join(o.model, "model.bin")); err != nil {
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "the peer has no model: there is no model.bin in %s", o.model).
			WithHint("name a folder of a Whisper model for faster-whisper: --peer-model FOLDER"))
	}
	return rig.StartPeer(ctx, reader, rig.PeerOptions{Python: o.python, Model: o.model, Beam: o.beam})
}
