package prepare

import (
	"context"
	"path/filepath"
)

// Ensure returns the prepared model in dir. It prepares the model first if there is none, if it was made by another
// recipe or from other weights, or if a file has another size than when it was written. made reports whether it did.
// Errors are those of Prepare, and of reading the originals.
func Ensure(ctx context.Context, src Source, dir string, opt Options) (result Result, made bool, err error) {
	err = CheckSizes(dir, src, opt)
	switch {
	case err == nil:
		manifest, err := ReadManifest(dir)
		if err != nil {
			return Result{}, false, err
		}
		return Result{
			Encoder: filepath.Join(dir, EncoderFile), Decoder: filepath.Join(dir, DecoderFile), Manifest: manifest,
		}, false, nil
	case !CanPrepare(err):
		return Result{}, false, err
	}
	result, err = Prepare(ctx, src, dir, opt)
	return result, err == nil, err
}
