package native

import (
	"context"
	"errors"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout"
)

// During does work whose runs have these options. They end soon after ctx. Then it frees owned, which the work may add to. Its error gets
// the code of ctx's error, or its own if it refuses the request (invalid_argument), or engine_failed.
func During(ctx context.Context, options *ort.RunOptions, owned *Tensors, work func() error) error {
	if err := ctx.Err(); err != nil {
		return scout.Errorf(scout.CodeOf(err), "%w", err)
	}
	stop := watch(ctx, options)
	err := work()
	refused := scout.CodeOf(err) == scout.CodeInvalidArgument
	err = errors.Join(err, stop(), owned.Free())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // the error of a terminated run has no useful text
		return scout.Errorf(scout.CodeOf(ctx.Err()), "%w", ctx.Err())
	case refused:
		return err
	}
	return scout.Errorf(scout.CodeEngineFailed, "%w", err)
}
