export default function Merger() {
  return null;
}
