# Machine images of container instances: Amazon Linux 2023 and Debian 12.
#
#   packer init .
#   packer build -var packages=../../build/packages .

variable "packages" {
  type        = string
  description = "The folder with the packages of Berth, as packaging/build makes them."
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "The value x86_64 or arm64; the packages must be of it."
}

variable "instance_type" {
  type        = string
  default     = "t3.small"
  description = "Of the same architecture: for arm64, t4g.small."
}

variable "settings" {
  type        = list(string)
  default     = []
  description = "Settings of every instance, as NAME=VALUE."
}

variable "disk_gb" {
  type    = number
  default = 30
}

locals {
  stamp = formatdate("YYYYMMDD-hhmmss", timestamp())
  sets  = join(" ", [for setting in var.settings : "--set '${setting}'"])
}

source "amazon-ebs" "al2023" {
  ami_name      = "berth-al2023-${var.architecture}-${local.stamp}"
  region        = var.region
  instance_type = var.instance_type
  ssh_username  = "ec2-user"

  ssh_clear_authorized_keys = true

  source_ami_filter {
    owners      = ["137112412989"] # Amazon
    most_recent = true
    filters = {
      name                = "al2023-ami-2023.*-kernel-*-${var.architecture}"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = var.disk_gb
    volume_type           = "gp3"
    throughput            = 125
    iops                  = 3000
    delete_on_termination = true
  }

  tags = {
    Name = "berth-al2023"
  }
}

source "amazon-ebs" "debian12" {
  ami_name      = "berth-debian12-${var.architecture}-${local.stamp}"
  region        = var.region
  instance_type = var.instance_type
  ssh_username  = "admin"

  ssh_clear_authorized_keys = true

  source_ami_filter {
    owners      = ["136693071363"] # Debian
    most_recent = true
    filters = {
      name                = "debian-12-${var.architecture == "x86_64" ? "amd64" : var.architecture}-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = var.disk_gb
    volume_type           = "gp3"
    throughput            = 125
    iops                  = 3000
    delete_on_termination = true
  }

  tags = {
    Name = "berth-debian12"
  }
}

build {
  sources = ["source.amazon-ebs.al2023", "source.amazon-ebs.debian12"]

  # cloud-init still installs packages after the machine can be reached.
  provisioner "shell" {
    inline = ["cloud-init status --wait || true", "mkdir -p /tmp/berth"]
  }

  provisioner "file" {
    source      = "${var.packages}/"
    destination = "/tmp/berth"
  }

  # The last one, for it removes the keys by which another connection could be made.
  provisioner "shell" {
    script          = "provision.sh"
    execute_command = "sudo bash {{ .Path }} --image ${local.sets} /tmp/berth && sudo rm -rf /tmp/berth {{ .Path }}"
    skip_clean      = true
  }
}
