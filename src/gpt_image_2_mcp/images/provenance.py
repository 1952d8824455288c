"""The XMP of files that are derived from a picture: that a model made it, and from which file this one was made.

Such a file has none of the Content Credentials (C2PA) that the API may have put into its own: they hold for the bytes
that it sent, and no other program can sign them.
"""

from typing import Final

MADE_BY_MODEL: Final = "trainedAlgorithmicMedia"
PARTLY_BY_MODEL: Final = "compositeWithTrainedAlgorithmicMedia"
"""IPTC's words for a picture that a model made, and for one into which a part by a model was put."""

NO_CREDENTIALS: Final = (
    "A file that was brought to another size or format has no Content Credentials (C2PA): these hold for the API's own"
    " file only, which stays."
)

_PACKET: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
    ' xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"'
    ' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{kind}">'
    '<xmpMM:DerivedFrom stRef:documentID="sha256:{parent}"/></rdf:Description></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="r"?>'
)


def xmp_of(kind: str, parent_sha256: str) -> str:
    """The XMP of a file made from the one with this hash; `kind` is one of IPTC's two words above."""
    return _PACKET.format(kind=kind, parent=parent_sha256)
