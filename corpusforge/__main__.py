"""`python -m corpusforge`, as `torchrun -m corpusforge` starts it."""

from corpusforge.cli import main

if __name__ == "__main__":
    main()
