// All words of the page. Each place has a catalogue of its own; another language is another object of the same type. A text with something in it is a
// function, because other languages put their words in another order.
import { frame } from "./frame";
import { library } from "./library";
import { now } from "./now";
import { system } from "./system";

export const words = { frame, now, library, system };
