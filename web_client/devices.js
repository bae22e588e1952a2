/** The choice of microphones, remembered between visits. */

import { recall, remember } from './storage.js';

const MEMORY = 'microphone';

/** @param {HTMLSelectElement} select @param {() => void} onChange */
export async function makeDeviceChoice(select, onChange) {
  const { mediaDevices } = navigator;
  select.addEventListener('change', () => {
    remember(MEMORY, select.value);
    onChange();
  });
  if (mediaDevices === undefined) {
    select.disabled = true;
    return;
  }
  mediaDevices.addEventListener('devicechange', () => refreshDevices(select));
  await refreshDevices(select);
}

/** Reads the devices again. Before the first permission browsers give no names, so there is only the default. */
export async function refreshDevices(select) {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const named = devices.filter(({ kind, label, deviceId }) => kind === 'audioinput' && label !== '' && deviceId !== 'default' && deviceId !== 'communications');
  select.replaceChildren(new Option('Default', ''), ...named.map(({ label, deviceId }) => new Option(label, deviceId)));
  const wanted = recall(MEMORY);
  select.value = named.some(({ deviceId }) => deviceId === wanted) ? wanted : '';
}

/** @returns {string} the device to open: the remembered one also before its name may be known, '' for the default */
export function chosenDevice() {
  return recall(MEMORY);
}
