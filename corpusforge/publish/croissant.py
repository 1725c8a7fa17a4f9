"""Croissant metadata of a published corpus (https://docs.mlcommons.org/croissant/docs/croissant-spec.html, 1.0)."""

from __future__ import annotations

import json

from corpusforge.corpus.read import Corpus
from corpusforge.export.parquet import Layout
from corpusforge.items import Json
from corpusforge.publish.card import Facts, declared

FILE = "croissant.json"
_OWN = (
    *(
        "citeAs",
        "column",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "jsonPath",
    ),
    *("isLiveDataset", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace"),
    *("equivalentProperty", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT: dict[str, Json] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OWN},
}
_TYPES = {
    **{"audio": "sc:AudioObject", "label": "sc:Integer", "string": "sc:Text", "float64": "sc:Float"},
    **{"int32": "sc:Integer", "int64": "sc:Integer"},
}


def croissant(
    corpus: Corpus, found: Facts, planned: Layout, repo: str, endpoint: str = "https://huggingface.co"
) -> bytes:
    """The JSON-LD: the repository, a set of files and a set of records a configuration.

    Args:
        corpus: What is published.
        found: From `facts`.
        planned: Configurations and columns.
        repo: `owner/name`.
        endpoint: Of the Hub.
    """
    home = f"{endpoint}/datasets/{repo}"
    licence = declared(found)
    every = sorted({key[1] for key in found.licences} | {key[4] or "unknown" for key in found.licences})
    repository = {
        "@type": "cr:FileObject",
        "@id": "repo",
        "name": "repo",
        "description": "The repository on the Hub",
        "contentUrl": home,
        "encodingFormat": "git+https",
        # A repository has no hash of this kind: the specification's own way around it.
        "sha256": "https://github.com/mlcommons/croissant/issues/80",
    }
    about: dict[str, Json] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": corpus.name,
        "description": f"{len(corpus):,} utterances of synthetic speech, {', '.join(corpus.languages)}, with texts",
        "url": home,
        "version": "1.0.0",
        "inLanguage": list(corpus.languages),
        "license": every if licence.name else licence.license,
        **({"citeAs": "\n\n".join(corpus.info["citations"])} if corpus.info.get("citations") else {}),
        "distribution": [repository, *(_files(config) for config in planned.configs)],
        "recordSet": [_records(config, planned) for config in planned.configs],
    }
    return (json.dumps(about, ensure_ascii=False, indent=2) + "\n").encode()


def _files(config: str) -> dict[str, Json]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{config}",
        "name": f"files-{config}",
        "containedIn": {"@id": "repo"},
        "encodingFormat": "application/x-parquet",
        "includes": f"data/{config}/*.parquet",
    }


def _records(config: str, planned: Layout) -> dict[str, Json]:
    fields = []
    for name, kind in planned.columns(config).items():
        source: dict[str, Json] = {"fileSet": {"@id": f"files-{config}"}, "extract": {"column": name}}
        if kind == "audio":
            source["transform"] = {"jsonPath": "bytes"}
        own = {"@type": "cr:Field", "@id": f"{config}/{name}", "name": name, "dataType": _TYPES[kind], "source": source}
        fields.append(own)
    return {"@type": "cr:RecordSet", "@id": config, "name": config, "field": fields}
