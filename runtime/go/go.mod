module github.com/ryo-faas/ryo-faas/runtime/go

go 1.22
