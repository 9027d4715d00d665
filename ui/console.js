// SPDX-License-Identifier: GPL-2.0-or-later
// The console page of -vnc ...,web=on: noVNC on the same port, and buttons.
// Nothing but the VNC connection reaches the machine.
import RFB from "./core/rfb.js";

const id = (name) => document.getElementById(name);
const say = (text) => { id("status").textContent = text; };

function start() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const rfb = new RFB(id("screen"), `${scheme}//${location.host}/vnc`);

    rfb.scaleViewport = true;
    window.rfb = rfb;
    say("Connecting");
    rfb.addEventListener("connect", () => {
        id("login").hidden = true;
        say("Connected");
        rfb.focus();
    });
    let refused = "";

    rfb.addEventListener("disconnect", (e) => {
        say(refused || (e.detail.clean ? "Disconnected"
                                       : "The connection was lost"));
        id("login").hidden = id("power").hidden = true;
    });
    rfb.addEventListener("desktopname", (e) => {
        document.title = e.detail.name;
    });
    rfb.addEventListener("securityfailure", (e) => {
        refused = `Refused: ${e.detail.reason || "wrong name or password"}`;
        say(refused);
    });
    rfb.addEventListener("credentialsrequired", (e) => {
        id("user").hidden = !e.detail.types.includes("username");
        id("login").hidden = false;
        id("password").focus();
        say("Who is there?");
    });
    rfb.addEventListener("capabilities", (e) => {
        id("power").hidden = !e.detail.capabilities.power;
    });
    return rfb;
}

// Characters as keysyms: Latin-1 is the same, the rest Unicode with a mark.
function keysym(ch) {
    const code = ch.codePointAt(0);

    if (ch === "\n" || ch === "\r") {
        return 0xff0d;
    }
    if (ch === "\t") {
        return 0xff09;
    }
    return code < 0x100 ? code : 0x01000000 | code;
}

function type(rfb, text) {
    for (const ch of text) {
        rfb.sendKey(keysym(ch), null, true);
        rfb.sendKey(keysym(ch), null, false);
    }
}

function saveScreen() {
    document.querySelector("#screen canvas").toBlob((blob) => {
        const a = document.createElement("a");

        a.href = URL.createObjectURL(blob);
        a.download = "screen.png";
        a.click();
        setTimeout(() => URL.revokeObjectURL(a.href), 1000);
    });
}

const rfb = start();

id("login").addEventListener("submit", (e) => {
    e.preventDefault();
    say("Logging in");
    rfb.sendCredentials({ username: id("user").value,
                          password: id("password").value });
    id("password").value = "";
});
id("type").addEventListener("submit", (e) => {
    e.preventDefault();
    type(rfb, id("text").value.replace(/\\n/g, "\n"));
    id("text").value = "";
    rfb.focus();
});
id("cad").addEventListener("click", () => rfb.sendCtrlAltDel());
id("shot").addEventListener("click", saveScreen);
id("shutdown").addEventListener("click", () => rfb.machineShutdown());
id("reset").addEventListener("click", () => {
    if (confirm("Reset the machine?")) {
        rfb.machineReset();
    }
});
