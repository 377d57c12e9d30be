# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of serial ports that are known, with their ``compatible`` in device trees.

Source: Linux Documentation/devicetree/bindings/serial (6.1).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PL011_KIND: Final = "pl011"

SERIAL_KINDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        PL011_KIND: ("arm,pl011", "arm,sbsa-uart"),
        "ns16550": ("ns16550", "ns16550a"),
        "ns16550-32": (
            "snps,dw-apb-uart",
            "ti,omap2-uart",
            "ti,omap3-uart",
            "ti,omap4-uart",
            "ti,am3352-uart",
            "ti,am4372-uart",
            "ti,dra742-uart",
            "ti,am654-uart",
            "nvidia,tegra20-uart",
            "mediatek,mt6577-uart",
            "marvell,armada-38x-uart",
            "brcm,bcm2835-aux-uart",
        ),
        "imx": ("fsl,imx1-uart", "fsl,imx21-uart", "fsl,imx53-uart", "fsl,imx6q-uart"),
        "lpuart": ("fsl,vf610-lpuart",),
        "lpuart32": ("fsl,imx7ulp-lpuart", "fsl,imx8qxp-lpuart", "fsl,imx8ulp-lpuart"),
        "meson": (
            "amlogic,meson-uart",
            "amlogic,meson-gx-uart",
            "amlogic,meson-ao-uart",
            "amlogic,meson-s4-uart",
        ),
        "cadence": ("cdns,uart-r1p8", "cdns,uart-r1p12", "xlnx,xuartps"),
        "exynos4210": ("samsung,exynos4210-uart", "samsung,exynos5433-uart"),
        "stm32": ("st,stm32h7-uart", "st,stm32-uart"),
        "msm": ("qcom,msm-uartdm", "qcom,msm-uartdm-v1.4"),
        "mvebu": ("marvell,armada-3700-uart",),
        "scif": ("renesas,scif", "renesas,rcar-gen2-scif", "renesas,rcar-gen3-scif"),
        "at91": ("atmel,at91sam9260-usart", "atmel,at91sam9260-dbgu"),
    }
)
"""The values of ``compatible`` of each kind, by its name. ``ns16550-32`` has its registers 4 bytes apart."""


def serial_kind_of(compatible: str) -> str | None:
    """Return the name of the kind with a value of ``compatible``; None if it is not known."""
    return next((name for name, known in SERIAL_KINDS.items() if compatible in known), None)
