//go:build pending

package scout

import (
	_ "github.com/gen2brain/malgo"
	_ "github.com/google/uuid"
	_ "github.com/hajimehoshi/go-mp3"
	_ "github.com/jfreymuth/oggvorbis"
	_ "github.com/jfreymuth/pulse"
	_ "github.com/k2-fsa/sherpa-onnx-go-linux"
	_ "github.com/k2-fsa/sherpa-onnx-go-macos"
	_ "github.com/k2-fsa/sherpa-onnx-go/sherpa_onnx"
	_ "github.com/knadh/koanf/v2"
	_ "github.com/mewkiz/flac"
	_ "github.com/pelletier/go-toml/v2"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/shirou/gopsutil/v4/process"
	_ "github.com/spf13/cobra"
	_ "github.com/viterin/vek/vek32"
	_ "github.com/yalue/onnxruntime_go"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/cpu"
	_ "golang.org/x/term"
	_ "google.golang.org/protobuf/encoding/protowire"
	_ "pgregory.net/rapid"
)
