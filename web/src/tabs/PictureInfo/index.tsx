export default function PictureInfo() {
  return null;
}
