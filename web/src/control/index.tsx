export default function ControlUnits() {
  return null;
}
