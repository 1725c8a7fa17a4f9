from corpusforge.stage import *  # noqa  (moved; removed once every room imports it from there)
from corpusforge.stage import ReadBlob, Stage, StageConfig  # noqa
