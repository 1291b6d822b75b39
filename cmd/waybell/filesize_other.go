//go:build !unix

package main

func ignoreFileSizeLimit() {}
