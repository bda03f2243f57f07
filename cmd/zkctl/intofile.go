package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// intoFile writes what becomes of name. A regular file, also one that a link leads to, is there whole or not at all,
// and only its owner may read it: it holds what ACLs protect. A device or a pipe is written to, and never replaced.
func intoFile(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s is a link to a file that is not there: name that file", name)
		}
		return replaceFile(name, write)
	}
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory: name a file in it", name)
	case !info.Mode().IsRegular():
		return writeThrough(name, write)
	}
	target, err := filepath.EvalSymlinks(name) // the link stays one
	if err != nil {
		return err
	}
	return replaceFile(target, write)
}

// writeThrough writes to what is there already.
func writeThrough(name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// replaceFile writes a file beside name and gives it that name when it is whole and durable.
func replaceFile(name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name()) // what is left of it serves nobody
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
